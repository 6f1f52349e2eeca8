"""The agents' side of the cluster API: sessions, registrations, heartbeats, reports, consoles."""

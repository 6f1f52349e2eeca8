"""Real ``ansible-playbook`` against the real API."""

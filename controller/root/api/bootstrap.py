"""Create what an empty root database needs before the first request: a project and a token."""

from __future__ import annotations

from controller.model.access import PROJECT, Project, TokenRole
from controller.store import resources, tokens
from controller.store.database import Database, Transaction


def ensure_default_project(db: Database) -> None:
    """Create the project ``default`` if it does not exist; every start may call it."""

    def work(tx: Transaction) -> None:
        if resources.find(tx, PROJECT.key("default")) is None:
            resources.insert(tx, [Project(name="default")])

    db.write(work)


def first_token(db: Database, name: str = "admin") -> str | None:
    """Return the secret of a new admin token if the database has no token yet, else None."""

    def work(tx: Transaction) -> str | None:
        if resources.count(tx, "Token"):
            return None
        return tokens.create(tx, name, TokenRole.ADMIN, description="created at the first start")[1]

    return db.write(work)

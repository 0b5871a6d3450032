"""Vectors in the database: pgvector's type on PostgreSQL, bytes on SQLite."""

from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    # Every management command imports the models; numpy takes 0.2 s to import, and few of them need it.
    import numpy as np
    import numpy.typing as npt

    Vector = npt.NDArray[np.float32]


class VectorField(models.Field):
    """A vector of float32, of any number of dimensions. `knowledge.nearest` searches them, and reads them itself."""

    if TYPE_CHECKING:
        # What mypy's Django plugin takes for the field's values.
        _pyi_private_set_type: Any
        _pyi_private_get_type: Any

    def db_type(self, connection: Any) -> str:
        return "vector" if connection.vendor == "postgresql" else "blob"

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return as_literal(value) if connection.vendor == "postgresql" else value.tobytes()


def as_literal(vector: "Vector") -> str:
    """A vector as pgvector reads it."""
    return f"[{','.join(map(str, vector.tolist()))}]"

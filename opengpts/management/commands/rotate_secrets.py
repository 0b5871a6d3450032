from typing import Any

from django.core.management.base import BaseCommand, CommandError

from opengpts.rotation import Rotated, rotate, tables_with_secrets

# Ids that are named of rows that cannot be decrypted.
_NAMED = 20
# Looks at all tables. The second finds what was copied from one row to another during the first.
_ROUNDS = 5


class Command(BaseCommand):
    """Encrypt all secrets in the database by the first key of SECRETS_KEYS.

    The server may run meanwhile, with the same SECRETS_KEYS. Interrupted, it goes on where it was when it is called
    again. It fails where secrets are left that need another key, or that no key decrypts.
    """

    help = "Encrypt all secrets by the first key of SECRETS_KEYS. Can be interrupted and called again."

    def handle(self, *args: Any, **options: Any) -> None:
        for number in range(_ROUNDS):
            tables = self._look(first=number == 0)
            if not any(table.rows["renewed"] for table in tables):
                break
        else:
            raise CommandError(
                "Something goes on encrypting by another key. Give all processes of the server the same SECRETS_KEYS, "
                "and call this again."
            )
        lost = sum(len(table.lost) for table in tables)
        if lost:
            raise CommandError(
                f"{lost} rows have secrets that no key in SECRETS_KEYS decrypts. Add the key that did, and call this "
                "again; or have them entered anew."
            )
        if changing := sum(table.rows["changing"] for table in tables):
            raise CommandError(f"{changing} rows were changed by others again and again. Call this again.")
        self.stdout.write("Every secret needs the first key of SECRETS_KEYS alone.")

    def _look(self, *, first: bool) -> list[Rotated]:
        """Rotate all tables, and tell of them: all the first time, and then where there is something new."""
        tables = []
        try:
            for model, column in tables_with_secrets():
                tables.append(Rotated(str(model._meta.verbose_name_plural)))
                for _ in rotate(model, column, tables[-1]):
                    continue
                if first or tables[-1].rows["renewed"]:
                    self._tell(tables[-1])
        except KeyboardInterrupt:
            self._tell(tables[-1])
            raise CommandError("Interrupted. Call this again to go on.", returncode=130) from None
        return tables

    def _tell(self, table: Rotated) -> None:
        rows = table.rows
        self.stdout.write(f"{table.name}: {rows['renewed']} encrypted anew, {rows['current']} were or stay as they are")
        if table.lost:
            more = len(table.lost) - _NAMED
            named = ", ".join(map(str, table.lost[:_NAMED])) + (f" and {more} more" if more > 0 else "")
            self.stderr.write(f"{table.name}: {len(table.lost)} have secrets that cannot be decrypted: {named}")

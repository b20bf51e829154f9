"""The ledger's tables.

Records, content and positions are made by SQL in migrations (partitions, triggers, a default that
Django cannot say), so their models are unmanaged. What is evidence is only ever inserted; the
triggers that refuse everything else are always on. :class:`RecordIndex` is a projection for
searching: it can be rebuilt from the records and is never evidence.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.hashing import EMPTY_ROOT
from audit.kinds import Kind
from orgs.models import Organisation
from orgs.tenancy import TenantModel


def kind_choices() -> list[tuple[str, str]]:
    """The kinds, for filters."""
    return [(kind.value, kind.value) for kind in Kind]


class Log(TenantModel):
    """One organisation's log in one epoch, and the head of its tree.

    The head (``size``, ``root``, ``frontier``) moves by compare-and-swap and only forwards.
    A new epoch begins only after a disaster, and says so in its first record.
    """

    number = models.AutoField(primary_key=True)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="logs")
    epoch = models.PositiveSmallIntegerField(default=1)
    origin = models.CharField(_("origin"), max_length=300, unique=True)
    size = models.PositiveBigIntegerField(_("size"), default=0)
    root = models.BinaryField(max_length=32, default=EMPTY_ROOT)
    frontier = models.BinaryField(default=b"")
    signed_size = models.PositiveBigIntegerField(default=0)
    sealed_at = models.DateTimeField(_("last sealed"), null=True)
    trouble = models.TextField(_("trouble"), blank=True, default="")
    created_at = models.DateTimeField(_("opened"), default=timezone.now)

    class Meta(TenantModel.Meta):
        verbose_name = _("log")
        constraints = [
            models.UniqueConstraint(fields=["organisation", "epoch"], name="one_log_per_epoch")
        ]

    def __str__(self) -> str:
        return self.origin


class Record(models.Model):
    """The canonical bytes of one record, exactly as they were hashed.

    The column ``xid`` (default ``pg_current_xact_id()``) is read by the sealer alone.
    """

    id = models.UUIDField(primary_key=True)
    log_number = models.IntegerField()
    bytes = models.BinaryField()

    class Meta:
        managed = False
        db_table = "audit_record"


class Content(models.Model):
    """One content slot of one record: salt and text, sealed by :mod:`orgs.vault`."""

    pk = models.CompositePrimaryKey("record_id", "slot")
    record_id = models.UUIDField()
    slot = models.CharField(max_length=32)
    organisation_id = models.UUIDField()
    sealed = models.BinaryField()

    class Meta:
        managed = False
        db_table = "audit_content"


class Position(models.Model):
    """Up to 256 neighbouring leaves of a log: which records, and their leaf hashes.

    A row never crosses a tile's border (a multiple of 256), so a level-0 tile is the concatenation
    of its rows. ``xid_from`` is the transaction of the row's first record; within a
    ``generation`` (one PostgreSQL cluster) it grows with ``first``, which is how a record is found
    in the tree without an index over all records.
    """

    pk = models.CompositePrimaryKey("log_number", "first")
    log_number = models.IntegerField()
    first = models.BigIntegerField()
    xid_from = models.BigIntegerField()
    generation = models.SmallIntegerField()
    ids = ArrayField(models.UUIDField())
    hashes = models.BinaryField()

    class Meta:
        managed = False
        db_table = "audit_position"


class Tile(models.Model):
    """The root of one full tile (256 hashes) of C2SP ``tlog-tiles``.

    The hashes of a tile at level L + 1 are the roots of 256 tiles at level L.
    """

    pk = models.CompositePrimaryKey("log_number", "level", "index")
    log_number = models.IntegerField()
    level = models.SmallIntegerField()
    index = models.BigIntegerField()
    root = models.BinaryField(max_length=32)


class Checkpoint(models.Model):
    """A signed tree head (C2SP ``tlog-checkpoint``), exactly as it was signed."""

    id = models.BigAutoField(primary_key=True)
    log_number = models.IntegerField()
    size = models.PositiveBigIntegerField(_("size"))
    root = models.BinaryField(max_length=32)
    note = models.TextField(_("signed note"))
    at = models.DateTimeField(_("signed"), default=timezone.now)

    class Meta:
        verbose_name = _("checkpoint")
        indexes = [models.Index(fields=["log_number", "-size", "-id"], name="checkpoint_by_size")]

    @property
    def root_hex(self) -> str:
        """The root hash in hexadecimal digits."""
        return bytes(self.root).hex()


class SealState(models.Model):
    """How far one shard of logs is sealed: every record with a smaller ``xid`` has its position.

    Below ``check_until`` each candidate is compared with the positions that exist: after a restore
    into another cluster transaction numbers start anew and mean nothing.
    """

    shard = models.CharField(primary_key=True, max_length=20)
    next_xid = models.BigIntegerField(default=0)
    check_until = models.BigIntegerField(default=0)
    generation = models.SmallIntegerField(default=1)
    cluster = models.CharField(max_length=40)
    looked_at = models.DateTimeField(default=timezone.now)


class RecordIndex(TenantModel):
    """What people search records by. A projection: it can be rebuilt and is never evidence."""

    record_id = models.UUIDField(primary_key=True)
    organisation = models.ForeignKey(
        Organisation,
        models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name=_("organisation"),
    )
    log_number = models.IntegerField()
    at = models.DateTimeField(_("time"))
    kind = models.CharField(_("kind"), max_length=40, choices=kind_choices)
    actor_id = models.CharField(_("actor"), max_length=64)
    actor_type = models.CharField(_("actor's type"), max_length=20)
    provider = models.CharField(_("provider"), max_length=100, blank=True)
    model = models.CharField(_("model"), max_length=200, blank=True)
    region = models.CharField(_("region"), max_length=20, blank=True)
    request_id = models.UUIDField(_("request"), null=True)
    slots = ArrayField(models.CharField(max_length=32), default=list)
    written_at = models.DateTimeField(_("written"), db_default=Now())

    class Meta(TenantModel.Meta):
        verbose_name = _("record")
        ordering = ["-at", "-record_id"]
        indexes = [
            models.Index(fields=["organisation", "-at", "-record_id"], name="index_by_time"),
            models.Index(fields=["organisation", "kind", "-at"], name="index_by_kind"),
            models.Index(
                fields=["request_id"],
                condition=models.Q(request_id__isnull=False),
                name="index_by_request",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.record_id}"


class Verification(TenantModel):
    """What a verification of an organisation's whole log found."""

    id = models.BigAutoField(primary_key=True)
    organisation = models.ForeignKey(
        Organisation, models.PROTECT, related_name="+", verbose_name=_("organisation")
    )
    log_number = models.IntegerField()
    started_at = models.DateTimeField(_("started"), default=timezone.now)
    checked_at = models.DateTimeField(_("finished"), null=True)
    size = models.PositiveBigIntegerField(_("size"), default=0)
    entries_checked = models.PositiveBigIntegerField(_("records checked"), default=0)
    valid = models.BooleanField(_("valid"), null=True)
    report = models.JSONField(_("report"), default=dict)

    class Meta(TenantModel.Meta):
        verbose_name = _("verification")
        ordering = ["-id"]


from audit import anchor_models, content_models  # noqa: E402, F401 - their tables are this app's

"""People, organisations, memberships, API keys and the organisations' encryption keys."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orgs.identifiers import uuid7
from orgs.roles import ADMIN_ROLES, Permission, Role
from orgs.system_models import AISystem
from orgs.tenancy import TenantModel

__all__ = [
    "AISystem",
    "ApiKey",
    "Membership",
    "Organisation",
    "OrganisationKey",
    "User",
]

DEFAULT_NOTICE = "You are talking to an AI system. Its answers can be wrong; check what matters."


def default_regions() -> list[str]:
    """Where an organisation's text may be processed until it says otherwise."""
    return ["EU", "self-hosted"]


class UserManager(BaseUserManager["User"]):
    """Makes users, whose name is their e-mail address in lower case."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Create a person; without a password they can sign in only through a reset or OIDC."""
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Create the instance's operator."""
        return self.create_user(email, password, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        """Sign-in does not depend on the case of the address."""
        return self.get(email=(username or "").lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person. What they may do is decided by their memberships, not here."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField(_("e-mail address"), unique=True)
    name = models.CharField(_("name"), max_length=200)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")
        constraints = [models.UniqueConstraint(Lower("email"), name="one_user_per_email")]

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        """The name as given."""
        return self.name

    @property
    def is_staff(self) -> bool:
        """Whether the person works in the admin: any role but a plain member's."""
        return self.is_superuser or self.memberships.filter(role__in=ADMIN_ROLES).exists()


class Organisation(models.Model):
    """One customer of this instance: the wall between tenants stands around it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("name"), max_length=200)
    slug = models.SlugField(_("short name"), unique=True, help_text=_("Used in file names."))
    legal_name = models.CharField(
        _("legal name"),
        max_length=300,
        blank=True,
        help_text=_("As in the company register; printed on the cover of every dossier."),
    )
    register_number = models.CharField(
        _("register number"), max_length=100, blank=True, help_text=_("For instance: HRB 12345 B.")
    )
    country = models.CharField(
        _("country"),
        max_length=2,
        blank=True,
        validators=[RegexValidator(r"^[A-Z]{2}$")],
        help_text=_("Two capital letters, for instance DE."),
    )
    allowed_regions = ArrayField(
        models.CharField(max_length=20),
        default=default_regions,
        verbose_name=_("allowed regions"),
        help_text=_(
            "Where prompts may be processed: EU, US, self-hosted, or a country code. "
            "A provider elsewhere never receives a byte, and there is no silent fallback."
        ),
    )
    notice = models.TextField(
        _("AI notice"),
        default=DEFAULT_NOTICE,
        help_text=_("Shown above every chat (Art. 50(1) of Regulation (EU) 2024/1689)."),
    )
    time_zone = models.CharField(_("time zone"), max_length=64, default="Europe/Brussels")
    language = models.CharField(
        _("language"),
        max_length=2,
        choices=settings.LANGUAGES,
        default="en",
        help_text=_("Of dossiers, unless another is asked for."),
    )
    paused_at = models.DateTimeField(_("paused since"), null=True, blank=True, editable=False)
    pause_reason = models.TextField(_("reason of the pause"), blank=True, editable=False)
    # Calls that name no system belong to it; read with the organisation, so it costs no query.
    default_system = models.ForeignKey(
        AISystem, models.SET_NULL, null=True, blank=True, related_name="+", editable=False
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("organisation")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_paused(self) -> bool:
        """Whether the use of models is stopped (Art. 14(4)(e))."""
        return self.paused_at is not None


class Membership(TenantModel):
    """A person's role in an organisation."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organisation = models.ForeignKey(
        Organisation, models.CASCADE, related_name="memberships", verbose_name=_("organisation")
    )
    user = models.ForeignKey(
        User, models.CASCADE, related_name="memberships", verbose_name=_("person")
    )
    role = models.CharField(_("role"), max_length=30, choices=Role, default=Role.MEMBER)
    created_at = models.DateTimeField(_("since"), default=timezone.now, editable=False)

    class Meta(TenantModel.Meta):
        verbose_name = _("member")
        ordering = ["user__name"]
        constraints = [
            models.UniqueConstraint(fields=["organisation", "user"], name="one_role_per_member")
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.get_role_display()})"


class ApiKey(TenantModel):
    """A key for programs. Only its hash is kept; the key itself is shown once.

    The secret has 256 random bits, so a plain SHA-256 is enough: there is nothing to guess.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organisation = models.ForeignKey(
        Organisation, models.CASCADE, related_name="api_keys", verbose_name=_("organisation")
    )
    owner = models.ForeignKey(
        User, models.CASCADE, related_name="api_keys", verbose_name=_("owner")
    )
    name = models.CharField(_("name"), max_length=100, help_text=_("What the key is for."))
    system = models.ForeignKey(
        AISystem,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="api_keys",
        verbose_name=_("AI system"),
        help_text=_("Calls with this key belong to it. Empty: the organisation's default system."),
    )
    prefix = models.CharField(_("prefix"), max_length=12, unique=True, editable=False)
    digest = models.BinaryField(max_length=32, editable=False)
    scopes = ArrayField(
        models.CharField(max_length=40, choices=Permission),
        verbose_name=_("scopes"),
        help_text=_("What the key may do: never more than its owner."),
    )
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta(TenantModel.Meta):
        verbose_name = _("API key")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} (lxc_{self.prefix}…)"

    @property
    def is_usable(self) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and (
            self.expires_at is None or self.expires_at > timezone.now()
        )


class OrganisationKey(TenantModel):
    """An organisation's encryption key, wrapped by the instance key. See :mod:`orgs.vault`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="encryption_keys")
    number = models.PositiveIntegerField()
    wrapped = models.BinaryField()
    instance_key_id = models.CharField(max_length=32)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["organisation", "number"], name="one_key_per_number")
        ]

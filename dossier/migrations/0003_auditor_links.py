import django.db.models.deletion
import django.db.models.manager
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import orgs.identifiers


class Migration(migrations.Migration):
    dependencies = [
        ("dossier", "0002_languages"),
        ("orgs", "0003_language"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditorLink",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=orgs.identifiers.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        help_text="Who will get the link. Only your organisation sees this.",
                        max_length=200,
                        verbose_name="for whom",
                    ),
                ),
                ("period_start", models.DateField(blank=True, null=True, verbose_name="first day")),
                (
                    "period_end",
                    models.DateField(
                        blank=True,
                        help_text="Every published dossier of this period, also one that is made later.",
                        null=True,
                        verbose_name="last day",
                    ),
                ),
                ("digest", models.BinaryField(max_length=32, unique=True)),
                ("expires_at", models.DateTimeField(verbose_name="valid until")),
                (
                    "created_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="made"
                    ),
                ),
                (
                    "revoked_at",
                    models.DateTimeField(
                        blank=True, editable=False, null=True, verbose_name="revoked"
                    ),
                ),
                (
                    "last_used_at",
                    models.DateTimeField(
                        blank=True, editable=False, null=True, verbose_name="last used"
                    ),
                ),
                (
                    "downloads",
                    models.PositiveIntegerField(
                        default=0, editable=False, verbose_name="downloads"
                    ),
                ),
                (
                    "window_started_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                ("window_uses", models.PositiveIntegerField(default=0, editable=False)),
                (
                    "created_by",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="made by",
                    ),
                ),
                (
                    "dossier",
                    models.ForeignKey(
                        blank=True,
                        help_text="One dossier; or leave it empty and name a period.",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="links",
                        to="dossier.dossier",
                        verbose_name="dossier",
                    ),
                ),
                (
                    "organisation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="auditor_links",
                        to="orgs.organisation",
                        verbose_name="organisation",
                    ),
                ),
            ],
            options={
                "verbose_name": "auditor link",
                "ordering": ["-created_at"],
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("dossier__isnull", False),
                                ("period_end__isnull", True),
                                ("period_start__isnull", True),
                            ),
                            models.Q(
                                ("dossier__isnull", True),
                                ("period_end__gte", models.F("period_start")),
                                ("period_end__isnull", False),
                                ("period_start__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="a_link_leads_to_a_dossier_or_a_period",
                        violation_error_message="Name one dossier, or the first and last day of a period.",
                    )
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
    ]

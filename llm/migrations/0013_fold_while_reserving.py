"""Reserving folds what is settled: else each call would sum what every call before it took."""

from __future__ import annotations

from importlib import import_module

from django.core.validators import MinValueValidator
from django.db import migrations, models

BEFORE = import_module("llm.migrations.0009_reserve_in_one_step").RESERVE.replace(
    "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"
)
SUM = """
        SELECT coalesce(sum(amount), 0) INTO used FROM llm_budgetentry
            WHERE account_id = account.id;
"""
# The account is locked, so nobody else folds it; what is settled meanwhile is left for the next.
SUM_AND_FOLD = """
        SELECT coalesce(sum(amount), 0), count(*) FILTER (WHERE is_settled)
            INTO used, settled_entries FROM llm_budgetentry WHERE account_id = account.id;
        IF settled_entries >= 50 THEN
            WITH folded AS (
                DELETE FROM llm_budgetentry WHERE account_id = account.id AND is_settled
                RETURNING amount
            )
            UPDATE llm_budgetaccount
                SET settled = settled + (SELECT coalesce(sum(amount), 0) FROM folded)
                WHERE id = account.id;
        END IF;
"""
NOW = BEFORE.replace(SUM, SUM_AND_FOLD).replace(
    "    used numeric;", "    used numeric;\n    settled_entries bigint;"
)


class Migration(migrations.Migration):
    dependencies = [("llm", "0012_frozen_settings")]

    operations = [
        migrations.RunSQL(NOW, BEFORE),
        migrations.AlterField(
            model_name="providersettings",
            name="timeout_seconds",
            field=models.PositiveSmallIntegerField(
                default=60,
                help_text=(
                    "Seconds to wait for the first and each further piece. An answer that is asked "
                    "for whole may take five times as long."
                ),
                validators=[MinValueValidator(1)],
                verbose_name="timeout",
            ),
        ),
    ]

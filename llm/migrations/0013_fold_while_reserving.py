"""Reserving folds what is settled: else each call would sum what every call before it took."""

from __future__ import annotations

from django.core.validators import MinValueValidator
from django.db import migrations, models

FUNCTION = """
CREATE OR REPLACE FUNCTION llm_reserve(
    organisation uuid, call uuid, budgets uuid[], subjects uuid[], starts date[],
    amounts numeric[], limits numeric[], blocks boolean[]
) RETURNS boolean[] LANGUAGE plpgsql AS $$
DECLARE
    accounts bigint[] := '{}';
    passed boolean[] := '{}';
    is_blocked boolean := false;
    account record;
    used numeric;%(declared)s
BEGIN
    FOR n IN 1 .. cardinality(budgets) LOOP
        SELECT id, settled INTO account FROM llm_budgetaccount
            WHERE budget_id = budgets[n] AND subject_id = subjects[n] AND period_start = starts[n]
            FOR UPDATE;
        IF NOT FOUND THEN
            -- Another call may make it at the same moment: theirs is as good.
            INSERT INTO llm_budgetaccount
                (organisation_id, budget_id, subject_id, period_start, settled)
                VALUES (organisation, budgets[n], subjects[n], starts[n], 0)
                ON CONFLICT DO NOTHING;
            SELECT id, settled INTO STRICT account FROM llm_budgetaccount
                WHERE budget_id = budgets[n] AND subject_id = subjects[n]
                    AND period_start = starts[n]
                FOR UPDATE;
        END IF;
        %(summed)s
        accounts := accounts || account.id;
        passed := passed || (account.settled + used + amounts[n] > limits[n]);
        is_blocked := is_blocked OR (passed[n] AND blocks[n]);
    END LOOP;
    IF NOT is_blocked THEN
        INSERT INTO llm_budgetentry (account_id, inference_id, amount, is_settled, created_at)
            SELECT entered.account, call, entered.amount, false, now()
            FROM unnest(accounts, amounts) AS entered (account, amount);
    END IF;
    RETURN passed;
END $$
"""
BEFORE = {
    "declared": "",
    "summed": """SELECT coalesce(sum(amount), 0) INTO used FROM llm_budgetentry
            WHERE account_id = account.id;""",
}
# The account is locked, so nobody else folds it; what is settled meanwhile is left for the next.
NOW = {
    "declared": """
    settled_entries bigint;""",
    "summed": """SELECT coalesce(sum(amount), 0), count(*) FILTER (WHERE is_settled)
            INTO used, settled_entries FROM llm_budgetentry WHERE account_id = account.id;
        IF settled_entries >= 50 THEN
            WITH folded AS (
                DELETE FROM llm_budgetentry WHERE account_id = account.id AND is_settled
                RETURNING amount
            )
            UPDATE llm_budgetaccount
                SET settled = settled + (SELECT coalesce(sum(amount), 0) FROM folded)
                WHERE id = account.id;
        END IF;""",
}


class Migration(migrations.Migration):
    dependencies = [("llm", "0012_frozen_settings")]

    operations = [
        migrations.RunSQL(FUNCTION % NOW, FUNCTION % BEFORE),
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

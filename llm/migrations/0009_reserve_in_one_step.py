"""Reserving in one way to the server: six took longer than everything else that is decided."""

from __future__ import annotations

from django.db import migrations

# Accounts are locked in the order in which the budgets are given, which is the same for all. Each
# statement after a lock sees what the one who held it before has entered.
RESERVE = """
CREATE FUNCTION llm_reserve(
    organisation uuid, call uuid, budgets uuid[], subjects uuid[], starts date[],
    amounts numeric[], limits numeric[], blocks boolean[]
) RETURNS boolean[] LANGUAGE plpgsql AS $$
DECLARE
    accounts bigint[] := '{}';
    passed boolean[] := '{}';
    is_blocked boolean := false;
    account record;
    used numeric;
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
        SELECT coalesce(sum(amount), 0) INTO used FROM llm_budgetentry
            WHERE account_id = account.id;
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
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("llm", "0008_pictures_in_messages")]

    operations = [
        migrations.RunSQL(
            RESERVE,
            "DROP FUNCTION llm_reserve(uuid, uuid, uuid[], uuid[], date[], numeric[], numeric[],"
            " boolean[])",
        )
    ]

"""A function that refuses a second ending, so that one statement can record and refuse it."""

from django.db import migrations

ENDED_ONCE = """
CREATE FUNCTION llm_ended_once(changed bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF changed <> 1 THEN
        RAISE EXCEPTION 'This inference has its ending already.'
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'llm_inference_ends_once';
    END IF;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("llm", "0010_provider_waits_at_least_a_second")]

    operations = [migrations.RunSQL(ENDED_ONCE, "DROP FUNCTION llm_ended_once(bigint)")]

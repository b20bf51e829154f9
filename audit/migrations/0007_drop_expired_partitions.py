"""A month of content that is over goes as a whole: its table is dropped, not emptied row by row."""

from django.db import migrations

DROP_EXPIRED = """
-- Drop one month's partition of content. Every text in it must be named by a record
-- content.expired of its organisation in this transaction, and none may be under a legal hold.
-- Returns how many texts went with it. Whoever waits for a reader waits two seconds at most: the
-- month is tried again later, and nobody's writing stands still meanwhile.
CREATE FUNCTION audit_drop_expired(part text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $$
DECLARE
    texts bigint;
    unsaid bigint;
    held bigint;
BEGIN
    IF part !~ '^audit_content_[0-9]{4}_[0-9]{2}$'
       OR NOT EXISTS (SELECT FROM pg_inherits
                      WHERE inhparent = 'public.audit_content'::regclass
                        AND inhrelid = to_regclass('public.' || part))
       OR (to_date(right(part, 7), 'YYYY_MM')::timestamp AT TIME ZONE 'UTC')
          + interval '1 month' > now() THEN
        RAISE EXCEPTION '% is not a past month of content.', part
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    EXECUTE format('LOCK TABLE public.%I IN SHARE ROW EXCLUSIVE MODE', part);
    EXECUTE format($query$
        WITH said AS MATERIALIZED (
            SELECT DISTINCT log.organisation_id, (entry ->> 'record')::uuid AS record_id, slot
            FROM (SELECT log_number, convert_from(bytes, 'UTF8')::jsonb AS json
                  FROM public.audit_record WHERE xid = pg_current_xact_id()) AS record
            JOIN public.audit_log AS log ON log.number = record.log_number
            CROSS JOIN LATERAL jsonb_array_elements(record.json #> '{body,lexcustis.erased}')
                AS entry
            CROSS JOIN LATERAL jsonb_array_elements_text(entry -> 'slots') AS slot
            WHERE record.json ->> 'kind' = 'content.expired'
        )
        SELECT count(*), count(*) FILTER (WHERE said.slot IS NULL), count(*) FILTER (WHERE EXISTS (
            SELECT FROM public.audit_hold AS hold
            WHERE hold.organisation_id = content.organisation_id AND hold.released_at IS NULL
              AND (found.record_id IS NULL
                   OR (hold.actor_id IN ('', found.actor_id)
                       AND found.at >= coalesce(hold.since, '-infinity')
                       AND found.at < coalesce(hold.until, 'infinity')))))
        FROM public.%I AS content
        LEFT JOIN said USING (organisation_id, record_id, slot)
        LEFT JOIN public.audit_recordindex AS found ON found.record_id = content.record_id
    $query$, part) INTO texts, unsaid, held;
    IF unsaid > 0 THEN
        RAISE EXCEPTION 'Content goes only together with the record that says so.'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF held > 0 THEN
        RAISE EXCEPTION 'A legal hold covers content of %.', part
            USING ERRCODE = 'restrict_violation';
    END IF;
    EXECUTE format('DROP TABLE public.%I', part);
    RETURN texts;
END $$;
REVOKE EXECUTE ON FUNCTION audit_drop_expired FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_drop_expired TO lexcustis_app;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0006_two_people_erase")]

    operations = [migrations.RunSQL(DROP_EXPIRED)]

"""Who may do what: roles, grants, row security, and the only way to erase content.

Three roles without a password; those that log in are made members of one of them:

* ``lexcustis_app``: web, API and workers. Records and content may be added and read, not changed.
* ``lexcustis_sealer``: gives places to records and keeps signed heads.
* ``lexcustis_eraser``: nobody logs in as it; ``audit_erase()`` runs with its rights.
"""

from django.db import migrations

ROLES = """
DO $$
DECLARE
    role text;
    fresh boolean := false;
BEGIN
    FOREACH role IN ARRAY ARRAY['lexcustis_app', 'lexcustis_sealer', 'lexcustis_eraser'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role);
            EXCEPTION
                WHEN duplicate_object OR unique_violation THEN NULL;  -- another database, just now
                WHEN insufficient_privilege THEN
                    RAISE EXCEPTION 'The role % is missing, and % may not create it.',
                        role, current_user
                        USING HINT = format('As an administrator run: CREATE ROLE %I NOLOGIN; '
                                            'GRANT %I TO %I;', role, role, current_user);
            END;
        END IF;
    END LOOP;
    -- Needed to hand over the eraser's function; a superuser needs no membership.
    IF NOT pg_has_role(current_user, 'lexcustis_eraser', 'MEMBER') THEN
        EXECUTE format('GRANT lexcustis_eraser TO %I', current_user);
    END IF;
END $$;
"""

ERASER = """
-- Delete content slots of one record. The transaction must hold the record of the erasure, which
-- names them; a legal hold refuses. Returns how many slots there were.
CREATE FUNCTION audit_erase(erased_record uuid, erased_slots text[], by_record uuid)
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    said jsonb;
    gone integer;
BEGIN
    SELECT convert_from(bytes, 'UTF8')::jsonb INTO said FROM public.audit_record
    WHERE id = by_record AND xid = pg_current_xact_id()
      AND log_number IN (
          SELECT sibling.number FROM public.audit_record AS erased
          JOIN public.audit_log AS own ON own.number = erased.log_number
          JOIN public.audit_log AS sibling ON sibling.organisation_id = own.organisation_id
          WHERE erased.id = erased_record);
    IF said IS NULL OR said ->> 'kind' NOT IN ('content.erased', 'content.expired')
       OR NOT said -> 'body' -> 'lexcustis.erased' @> jsonb_build_array(jsonb_build_object(
           'record', erased_record::text, 'slots', to_jsonb(erased_slots))) THEN
        RAISE EXCEPTION 'Content is erased only together with the record that says so.'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF EXISTS (
        SELECT FROM public.audit_recordindex AS found
        JOIN public.audit_hold AS hold ON hold.organisation_id = found.organisation_id
        WHERE found.record_id = erased_record AND hold.released_at IS NULL
          AND hold.actor_id IN ('', found.actor_id)
          AND found.at >= coalesce(hold.since, '-infinity')
          AND found.at < coalesce(hold.until, 'infinity')) THEN
        RAISE EXCEPTION 'A legal hold covers the content of record %.', erased_record
            USING ERRCODE = 'restrict_violation';
    END IF;
    DELETE FROM public.audit_content WHERE record_id = erased_record AND slot = ANY(erased_slots);
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END $$;
REVOKE EXECUTE ON FUNCTION audit_erase FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_erase TO lexcustis_app;
GRANT USAGE, CREATE ON SCHEMA public TO lexcustis_eraser;
ALTER FUNCTION audit_erase OWNER TO lexcustis_eraser;
REVOKE CREATE ON SCHEMA public FROM lexcustis_eraser;

-- Partitions are made by the owner, at the wish of the application.
ALTER FUNCTION audit_make_partitions SECURITY DEFINER SET search_path = public, pg_temp;
REVOKE EXECUTE ON FUNCTION audit_make_partitions, audit_guard_partition FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_make_partitions TO lexcustis_app;
"""

GRANTS = """
GRANT USAGE ON SCHEMA public TO lexcustis_app, lexcustis_sealer;

-- Ordinary tables, those there are and those to come, are the application's.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO lexcustis_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO lexcustis_app, lexcustis_sealer;
ALTER DEFAULT PRIVILEGES IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO lexcustis_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO lexcustis_app;

DO $$
DECLARE name text;
BEGIN
    -- Partitions are reached through their table alone.
    FOR name IN SELECT inhrelid::regclass::text FROM pg_inherits
                WHERE inhparent IN ('audit_record'::regclass, 'audit_content'::regclass) LOOP
        EXECUTE format('REVOKE ALL ON %s FROM lexcustis_app', name);
    END LOOP;
END $$;

REVOKE ALL ON audit_record, audit_content, audit_position, audit_tile, audit_checkpoint,
              audit_log, audit_sealstate, audit_recordindex FROM lexcustis_app;
GRANT SELECT ON audit_record, audit_content, audit_position, audit_tile, audit_checkpoint,
                audit_log, audit_sealstate, audit_recordindex TO lexcustis_app;
GRANT INSERT (id, log_number, bytes) ON audit_record TO lexcustis_app;
GRANT INSERT ON audit_content, audit_recordindex, audit_log TO lexcustis_app;

GRANT SELECT ON audit_record, audit_position, audit_tile, audit_checkpoint, audit_log,
                audit_sealstate TO lexcustis_sealer;
GRANT INSERT ON audit_position, audit_tile, audit_checkpoint TO lexcustis_sealer;
GRANT UPDATE (size, root, frontier, signed_size, sealed_at, trouble) ON audit_log
    TO lexcustis_sealer;
GRANT INSERT, UPDATE, DELETE ON audit_sealstate TO lexcustis_sealer;

GRANT SELECT, DELETE ON audit_content TO lexcustis_eraser;
GRANT SELECT ON audit_record, audit_recordindex, audit_log, audit_hold TO lexcustis_eraser;
"""

# Row security without any policy for UPDATE: even an owner who has switched the triggers off
# changes no row, unless it also drops a policy. A superuser is bound by nothing in here.
ROW_SECURITY = """
CREATE FUNCTION audit_secure_rows(guarded regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', guarded);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', guarded);
    EXECUTE format('CREATE POLICY read_all ON %s FOR SELECT USING (true)', guarded);
    EXECUTE format('CREATE POLICY add_only ON %s FOR INSERT WITH CHECK (true)', guarded);
END $$;
REVOKE EXECUTE ON FUNCTION audit_secure_rows FROM PUBLIC;

SELECT audit_secure_rows(name) FROM unnest(ARRAY['audit_record', 'audit_content', 'audit_position',
                                                 'audit_tile', 'audit_checkpoint']::regclass[]) AS name;
SELECT audit_secure_rows(inhrelid) FROM pg_inherits
WHERE inhparent IN ('audit_record'::regclass, 'audit_content'::regclass);
CREATE POLICY erase_by_eraser ON audit_content FOR DELETE TO lexcustis_eraser USING (true);

CREATE OR REPLACE FUNCTION audit_guard_partition(part regclass) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE name text;
BEGIN
    EXECUTE format('CREATE TRIGGER never_truncated BEFORE TRUNCATE ON %s '
                   'FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()', part);
    FOR name IN SELECT tgname FROM pg_trigger WHERE tgrelid = part AND NOT tgisinternal LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', part, name);
    END LOOP;
    PERFORM audit_secure_rows(part);
    EXECUTE format('REVOKE ALL ON %s FROM lexcustis_app', part);
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_content")]

    operations = [migrations.RunSQL(sql) for sql in (ROLES, ERASER, GRANTS, ROW_SECURITY)]

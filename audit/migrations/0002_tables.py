"""What Django cannot say: partitions, the transaction number, triggers that are always on."""

from django.db import migrations

TABLES = """
CREATE TABLE audit_record (
    id uuid NOT NULL PRIMARY KEY,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    log_number integer NOT NULL,
    bytes bytea NOT NULL
) PARTITION BY RANGE (id);
CREATE INDEX audit_record_xid ON audit_record (xid);

CREATE TABLE audit_content (
    record_id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    slot varchar(32) NOT NULL,
    sealed bytea NOT NULL,
    PRIMARY KEY (record_id, slot)
) PARTITION BY RANGE (record_id);
-- Ciphertext does not compress; trying costs time.
ALTER TABLE audit_content ALTER COLUMN sealed SET STORAGE EXTERNAL;

CREATE TABLE audit_position (
    log_number integer NOT NULL,
    generation smallint NOT NULL,
    first bigint NOT NULL,
    xid_from bigint NOT NULL,
    ids uuid[] NOT NULL,
    hashes bytea NOT NULL,
    PRIMARY KEY (log_number, first),
    CHECK (cardinality(ids) BETWEEN 1 AND 256 AND length(hashes) = 32 * cardinality(ids)),
    CHECK (first % 256 + cardinality(ids) <= 256)
);
ALTER TABLE audit_position ALTER COLUMN ids SET STORAGE EXTERNAL;
ALTER TABLE audit_position ALTER COLUMN hashes SET STORAGE EXTERNAL;
CREATE INDEX audit_position_xid ON audit_position (log_number, generation, xid_from);
"""

TRIGGERS = """
CREATE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The audit log is append-only: % on % is refused.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;

-- A head only moves forwards, and what names a log never changes.
CREATE FUNCTION audit_guard_head() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.size < OLD.size OR NEW.signed_size < OLD.signed_size OR NEW.signed_size > NEW.size
       OR (NEW.size = OLD.size AND NEW.root <> OLD.root)
       OR (NEW.number, NEW.organisation_id, NEW.epoch, NEW.origin)
          IS DISTINCT FROM (OLD.number, OLD.organisation_id, OLD.epoch, OLD.origin) THEN
        RAISE EXCEPTION 'The head of an audit log only moves forwards.'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;

-- Content goes only through audit_erase(), which runs as the eraser.
CREATE FUNCTION audit_guard_content() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_user <> 'lexcustis_eraser' THEN
        RAISE EXCEPTION 'Content is erased only through audit_erase().'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN OLD;
END $$;

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['audit_record', 'audit_position', 'audit_tile', 'audit_checkpoint']
    LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON %I '
                       'FOR EACH ROW EXECUTE FUNCTION audit_refuse_change()', name);
        EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER append_only', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['audit_record', 'audit_position', 'audit_tile', 'audit_checkpoint',
                                'audit_log', 'audit_content']
    LOOP
        EXECUTE format('CREATE TRIGGER never_truncated BEFORE TRUNCATE ON %I '
                       'FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()', name);
        EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER never_truncated', name);
    END LOOP;
END $$;

CREATE TRIGGER never_deleted BEFORE DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
ALTER TABLE audit_log ENABLE ALWAYS TRIGGER never_deleted;
CREATE TRIGGER forwards_only BEFORE UPDATE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_guard_head();
ALTER TABLE audit_log ENABLE ALWAYS TRIGGER forwards_only;
CREATE TRIGGER never_changed BEFORE UPDATE ON audit_content
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
ALTER TABLE audit_content ENABLE ALWAYS TRIGGER never_changed;
CREATE TRIGGER erased_by_eraser BEFORE DELETE ON audit_content
    FOR EACH ROW EXECUTE FUNCTION audit_guard_content();
ALTER TABLE audit_content ENABLE ALWAYS TRIGGER erased_by_eraser;
"""

PARTITIONS = """
-- The smallest version 7 UUID of a time: 48 bits of milliseconds, then zeros.
CREATE FUNCTION audit_first_id(at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT rpad(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0'), 32, '0')::uuid
$$;

-- A partition inherits its table's row triggers; those of statements it needs of its own.
CREATE FUNCTION audit_guard_partition(part regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE name text;
BEGIN
    EXECUTE format('CREATE TRIGGER never_truncated BEFORE TRUNCATE ON %s '
                   'FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()', part);
    FOR name IN SELECT tgname FROM pg_trigger WHERE tgrelid = part AND NOT tgisinternal LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', part, name);
    END LOOP;
END $$;

-- Make the monthly partitions that are missing between two days. Returns how many were made.
-- A month of which rows already stand in the default partition is left there.
CREATE FUNCTION audit_make_partitions(from_day date, to_day date) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    parent text;
    key text;
    part text;
    month timestamptz := date_trunc('month', from_day::timestamp) AT TIME ZONE 'UTC';
    following timestamptz;
    taken boolean;
    made integer := 0;
BEGIN
    WHILE month < to_day::timestamp AT TIME ZONE 'UTC' LOOP
        following := (month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC';
        FOREACH parent IN ARRAY ARRAY['audit_record', 'audit_content'] LOOP
            part := parent || to_char(month AT TIME ZONE 'UTC', '_YYYY_MM');
            key := CASE parent WHEN 'audit_record' THEN 'id' ELSE 'record_id' END;
            CONTINUE WHEN to_regclass(part) IS NOT NULL;
            EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE %I >= $1 AND %I < $2)',
                           parent || '_default', key, key)
                INTO taken USING audit_first_id(month), audit_first_id(following);
            CONTINUE WHEN taken;
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                           part, parent, audit_first_id(month), audit_first_id(following));
            PERFORM audit_guard_partition(part::regclass);
            made := made + 1;
        END LOOP;
        month := following;
    END LOOP;
    RETURN made;
END $$;

CREATE TABLE audit_record_default PARTITION OF audit_record DEFAULT;
CREATE TABLE audit_content_default PARTITION OF audit_content DEFAULT;
SELECT audit_guard_partition('audit_record_default'), audit_guard_partition('audit_content_default');
SELECT audit_make_partitions((now() - interval '5 months')::date, (now() + interval '4 months')::date);
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [migrations.RunSQL(sql) for sql in (TABLES, TRIGGERS, PARTITIONS)]

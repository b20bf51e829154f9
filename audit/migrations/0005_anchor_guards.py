"""Anchors are guarded like records: the application adds and reads them, and nobody changes one."""

from django.db import migrations

GUARDS = """
REVOKE UPDATE, DELETE, TRUNCATE ON audit_anchor FROM lexcustis_app;
SELECT audit_secure_rows('audit_anchor');
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0004_guards")]

    operations = [migrations.RunSQL(GUARDS)]

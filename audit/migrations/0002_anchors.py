"""The tables of anchors. An anchor is only ever inserted; the triggers are always on.

It stands before the tables in SQL, so that those stay the end of the chain. If 0001_initial is
generated anew, the models of audit.anchor_models must not be in it: they are made here.
"""

import django.db.models.deletion
import django.db.models.manager
import django.utils.timezone
from django.db import migrations, models

APPEND_ONLY = """
CREATE FUNCTION audit_refuse_anchor_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Anchors are append-only: % is refused.', TG_OP
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_anchor
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_anchor_change();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON audit_anchor
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_anchor_change();
ALTER TABLE audit_anchor ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE audit_anchor ENABLE ALWAYS TRIGGER never_truncated;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0001_initial'),
        ('orgs', '0001_initial'),
    ]

    run_before = [('audit', '0002_tables')]

    operations = [
        migrations.CreateModel(
            name='Anchor',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('log_number', models.IntegerField()),
                ('size', models.PositiveBigIntegerField(verbose_name='size')),
                ('kind', models.CharField(choices=[('time_stamp', 'Time stamp (RFC 3161)'), ('cosignature', 'Witness cosignature (C2SP)')], max_length=20, verbose_name='kind')),
                ('authority', models.CharField(max_length=300, verbose_name='authority')),
                ('declared_qualified', models.BooleanField(default=False, help_text='Declared by the operator of this instance; not looked up in a trusted list.', verbose_name='declared qualified')),
                ('token', models.BinaryField()),
                ('at', models.DateTimeField(verbose_name='stated time')),
                ('received_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='received')),
                ('checkpoint', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='anchors', to='audit.checkpoint', verbose_name='checkpoint')),
                ('organisation', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='orgs.organisation', verbose_name='organisation')),
            ],
            options={
                'verbose_name': 'anchor',
                'ordering': ['-size', '-id'],
                'abstract': False,
                'base_manager_name': 'unscoped',
                'default_manager_name': 'unscoped',
                'indexes': [models.Index(fields=['log_number', 'kind', 'authority', '-size'], name='anchor_by_size')],
            },
            managers=[
                ('unscoped', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='AnchorDuty',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('log_number', models.IntegerField()),
                ('kind', models.CharField(choices=[('time_stamp', 'Time stamp (RFC 3161)'), ('cosignature', 'Witness cosignature (C2SP)')], max_length=20)),
                ('authority', models.CharField(max_length=300)),
                ('due_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('failures', models.PositiveIntegerField(default=0)),
                ('problem', models.TextField(blank=True, default='')),
                ('organisation', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='orgs.organisation')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'unscoped',
                'default_manager_name': 'unscoped',
                'constraints': [models.UniqueConstraint(fields=('log_number', 'kind', 'authority'), name='one_duty_per_authority')],
            },
            managers=[
                ('unscoped', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='HeadMail',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('month', models.DateField()),
                ('size', models.PositiveBigIntegerField(default=0)),
                ('recipients', models.PositiveIntegerField(default=0)),
                ('claimed_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('sent_at', models.DateTimeField(null=True)),
                ('organisation', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='orgs.organisation')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'unscoped',
                'default_manager_name': 'unscoped',
                'constraints': [models.UniqueConstraint(fields=('organisation', 'month'), name='one_head_mail_a_month')],
            },
            managers=[
                ('unscoped', django.db.models.manager.Manager()),
            ],
        ),
        migrations.RunSQL(APPEND_ONLY),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    """Every call names its operation: the insertion of calls leaves out what the database fills."""

    dependencies = [
        ('llm', '0005_call_rules'),
    ]

    operations = [
        migrations.AlterField(
            model_name='inference',
            name='operation',
            field=models.CharField(default='chat', max_length=20, verbose_name='operation'),
        ),
    ]

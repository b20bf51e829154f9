"""The AI system that a conversation and each call belong to."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("llm", "0003_inference_operation"),
        ("orgs", "0002_ai_systems"),
    ]

    operations = [
        migrations.AddField(
            model_name="conversation",
            name="system",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="conversations",
                to="orgs.aisystem",
            ),
        ),
        migrations.AddField(
            model_name="inference",
            name="system",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="orgs.aisystem",
            ),
        ),
    ]

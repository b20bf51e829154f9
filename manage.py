#!/usr/bin/env python
"""Django's command line for Lex Custis."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    from lexcustis.instance import join_running
    from lexcustis.logins import choose_login

    join_running(Path(__file__).resolve().parent)
    choose_login(sys.argv[1:])
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lexcustis.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)

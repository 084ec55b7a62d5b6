"""Makes the tables, one user and some definitions. Usage: fill.py USER PASSWORD COUNT < definition.json"""

import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
django.setup()

from django.contrib.auth.models import User  # noqa: E402  (models need a set-up Django)
from django.core.management import call_command  # noqa: E402

from registry.models import ProcessDefinition  # noqa: E402

name, password, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
definition = sys.stdin.read()
call_command("migrate", run_syncdb=True, verbosity=0)
user = User.objects.create_user(name, password=password)
ProcessDefinition.objects.bulk_create(
    ProcessDefinition(user=user, definition=definition) for _ in range(count)
)

"""One table: a user's process definitions, kept as JSON text."""

from django.contrib.auth.models import User
from django.db import models


class ProcessDefinition(models.Model):
    """A definition, seen only by the user who made it."""

    user = models.ForeignKey(User, editable=False, on_delete=models.CASCADE)
    definition = models.TextField()

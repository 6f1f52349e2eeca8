"""Tests of controller.schedule."""

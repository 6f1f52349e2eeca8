"""Tests of controller.cluster."""

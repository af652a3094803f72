"""Sampling: noise schedules, parameterizations and samplers of diffusion models."""

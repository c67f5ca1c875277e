"""Networks that box opacities."""

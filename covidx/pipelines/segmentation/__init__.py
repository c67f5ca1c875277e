"""Networks that segment lungs and opacities."""

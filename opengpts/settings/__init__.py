"""Settings by environment: `base` holds what every deployment shares; pick `development`, `production` or `testing`."""

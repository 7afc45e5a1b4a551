"""From spec files (YAML or JSON) to compiled rules."""

"""The business processes watched, as data: YAML files and the model that checks them."""

"""config.pbtxt and its JSON form: parsed, completed, checked, shown."""

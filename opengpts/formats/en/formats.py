"""How the admin writes times: to the second, so that what happened can be told apart."""

DATETIME_FORMAT = "Y-m-d H:i:s"

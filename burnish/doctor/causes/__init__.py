"""The causes that the doctor knows, a file each; channels.py measures for several of them."""

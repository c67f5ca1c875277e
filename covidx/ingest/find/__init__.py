"""Which files hold images: by content, in folders and archives, their headers alone."""

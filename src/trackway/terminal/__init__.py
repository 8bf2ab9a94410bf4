"""What people see in a terminal: answers as bars and tables, a new workspace, a rehearsed flow."""

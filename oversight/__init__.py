"""What people did about it: reviews, incidents, tasks."""

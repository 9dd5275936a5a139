"""What is known of a customer at a past or present day; shared by the models of customers."""

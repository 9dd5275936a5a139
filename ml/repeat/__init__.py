"""Will a customer buy again within 30 days?"""

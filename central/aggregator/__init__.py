"""The aggregator: portfolio, baseline and flexibility of its customers, offers. Pure."""

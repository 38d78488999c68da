"""The forecast: what each point of delivery will take or give, a day or four hours ahead."""

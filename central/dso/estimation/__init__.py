"""State estimation (DA-4a, RT-2a): the grid as it is, from few sensors and many forecasts."""

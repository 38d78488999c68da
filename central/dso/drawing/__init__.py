"""Pictures of the grid as SVG: what breaks where, what is moved when, who can help."""

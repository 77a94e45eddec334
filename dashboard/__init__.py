"""The app's frame. Together with pages/ the only place that imports Streamlit."""

"""An app of one button, for map_in_browser.py: a click draws ?n= points with ?who= ours or plotly."""

from streamlit.starlette import App

if __name__ == "__main__":
    import numpy as np
    import plotly.graph_objects as go
    import streamlit as st

    from dashboard import embedding_map
    from dashboard.embedding_map import Cloud

    CLASSES = 10

    @st.cache_resource
    def points(n: int) -> tuple[np.ndarray, np.ndarray]:
        """(n, 2) float32 in ten round clusters on a ring, and (n,) which one; made before the click."""
        rng = np.random.default_rng(0)
        group = np.arange(n) % CLASSES
        angle = group * 0.2 * np.pi
        middle = 0.75 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return (middle + rng.normal(0, 0.08, (n, 2))).astype(np.float32), group

    def with_plotly(xy: np.ndarray, group: np.ndarray) -> None:
        """A trace a class, as its legend needs; nothing on hover but the class."""
        figure = go.Figure(layout={"height": 600, "dragmode": "pan", "uirevision": "same"})
        for k in range(CLASSES):
            own = xy[group == k]
            marker = {"size": 3, "opacity": 0.7}
            figure.add_scattergl(x=own[:, 0], y=own[:, 1], mode="markers", name=f"class {k}", marker=marker)
        st.plotly_chart(figure, key="rival")

    def with_ours(xy: np.ndarray, group: np.ndarray) -> None:
        label = embedding_map.classes("Label", group, [f"class {k}" for k in range(CLASSES)])
        embedding_map.show(None, Cloud(xy, None, {"label": label}, "label", ("label",)), key="ours")

    xy, group = points(int(st.query_params["n"]))
    if st.button("Draw"):
        draw = with_plotly if st.query_params["who"] == "plotly" else with_ours
        draw(xy, group)
else:
    from dashboard.routes import ROUTES

    app = App(__file__, routes=ROUTES)

"""An app of one map of made-up points, for test_embedding_map.py and the benchmark: ?n= says how many."""

from streamlit.starlette import App

if __name__ == "__main__":
    import numpy as np
    import streamlit as st

    from core.data.catalog import open_dataset
    from core.workspace import current
    from dashboard import embedding_map
    from dashboard.embedding_map import Cloud, PlaceName

    @st.cache_resource
    def made_up(n: int) -> Cloud:
        """Ten round clusters on a ring."""
        rng = np.random.default_rng(0)
        group = np.arange(n) % 10
        angle = group * 0.2 * np.pi
        middle = 0.75 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        xy = (middle + rng.normal(0, 0.08, (n, 2))).astype(np.float32)
        names = [f"class {k}" for k in range(9)] + ["<b>class</b> 9"]
        attributes = {
            "label": embedding_map.classes("Label", np.where(np.arange(n) == 11, -1, group), names),
            "confidence": embedding_map.score("Confidence", rng.random(n), percent=True, unit=True),
        }
        places = [PlaceName(names[k], x, y, k) for k, (x, y) in enumerate(middle[:10].tolist())]
        return Cloud(xy, None, attributes, "label", ("label", "confidence"), places, title=f"{n:,} points")

    dataset = open_dataset(current(), "fashion-mnist-sample")
    n = int(st.query_params.get("n", "2000"))
    cloud = made_up(n)
    colour = st.segmented_control("Colour by", [*cloud.attributes], default="label", required=True)
    shown = Cloud(
        cloud.xy,
        None,
        cloud.attributes,
        str(colour),
        cloud.tip,
        cloud.labels,
        title=cloud.title,
        summary="Ten clusters",
    )
    done = embedding_map.show(dataset if n <= len(dataset) else None, shown, key="m")
    if done.clicked is not None:
        st.session_state["last"] = done.clicked
    st.text(f"opened {st.session_state.get('last')}")
    if done.outline is not None:
        values = {name: attribute.values for name, attribute in cloud.attributes.items()}
        marks = done.outline.marks(cloud.xy, values)
        st.text(f"selected {np.bincount(np.arange(n)[marks] % 10, minlength=10).tolist()}")
    st.text(f"unsupported {done.is_unsupported}")
else:
    from dashboard.routes import ROUTES

    app = App(__file__, routes=ROUTES)

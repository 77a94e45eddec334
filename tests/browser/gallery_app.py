"""An app of one selectable gallery, for test_gallery.py: what it returns is written below it."""

from streamlit.starlette import App

if __name__ == "__main__":
    import streamlit as st

    from core.data.catalog import open_dataset
    from core.workspace import current
    from dashboard import gallery

    dataset = open_dataset(current(), "fashion-mnist-sample")
    st.title("Gallery")
    shown = [int(k) for k in st.query_params.get("positions", "3,1023,1024,5999,7,8,9,10").split(",")]
    names = ["<img src=x onerror=alert(1)>", *[f"caption {position}" for position in shown[1:]]]
    done = gallery.show(
        dataset, shown, captions=names, badges=["94 %"] * len(shown), key="g", selectable=True
    )
    if done.clicked is not None:
        st.session_state["last"] = done.clicked
    st.text(f"opened {st.session_state.get('last')}")
    st.text(f"selected {done.selected}")
else:
    from dashboard.routes import ROUTES

    app = App(__file__, routes=ROUTES)

"""Tidyset's entry: ``streamlit run dashboard/Home.py``.

Streamlit finds ``app`` below and serves it: its own pages, and beside them the routes that pictures and
label edits travel on (dashboard/routes.py). It then runs this same file, as ``__main__``, for every session.
"""

from streamlit.starlette import App

if __name__ == "__main__":
    from dashboard.frame import show

    show()
else:
    from dashboard import streamlit_borders
    from dashboard.errors import show_error
    from dashboard.routes import MIDDLEWARE, ROUTES, lifespan

    streamlit_borders.mend()

    app = App(__file__, routes=ROUTES, middleware=MIDDLEWARE, lifespan=lifespan, on_script_error=show_error)

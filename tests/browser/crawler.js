// What the crawler (crawler.py) asks of a page; loaded before the page is.
window.crawl = (() => {
  // The page asks the server with BackMsg.rerun_script (field 11); ForwardMsg.script_finished (field 6)
  // answers, unless that run ended early for another one (2).
  const counted = { asked: 0, answered: 0 };

  const finished = (bytes) => {
    let at = 0;
    const number = () => {
      let value = 0;
      for (let place = 1; ; place *= 128) {
        const byte = bytes[at++];
        value += (byte & 127) * place;
        if (byte < 128) return value;
      }
    };
    while (at < bytes.length) {
      const tag = number();
      if (tag === 6 * 8) return number() !== 2;
      if (tag % 8 !== 0 && tag % 8 !== 2) return false;
      const value = number();
      if (tag % 8 === 2) at += value;
    }
    return false;
  };

  window.WebSocket = class extends window.WebSocket {
    constructor(...args) {
      super(...args);
      this.addEventListener('message', ({ data }) => {
        if (data instanceof ArrayBuffer && finished(new Uint8Array(data))) counted.answered = counted.asked;
      });
    }

    send(data) {
      if (data instanceof Uint8Array && data[0] === 11 * 8 + 2) counted.asked += 1;
      super.send(data);
    }
  };

  const KINDS = {
    Audio: 'stAudioInput',
    Button: 'stButton',
    ButtonGroup: 'stButtonGroup',
    Camera: 'stCameraInput',
    ChatInput: 'stChatInput',
    Checkbox: 'stCheckbox',
    ColorPicker: 'stColorPicker',
    DateInput: 'stDateInput',
    DownloadButton: 'stDownloadButton',
    Expander: 'stExpander',
    Feedback: 'stFeedback',
    FileUploader: 'stFileUploader',
    LinkButton: 'stLinkButton',
    MenuButton: 'stMenuButton',
    MultiSelect: 'stMultiSelect',
    NumberInput: 'stNumberInput',
    PageLink: 'stPageLink',
    Pagination: 'stPagination',
    Popover: 'stPopover',
    Radio: 'stRadio',
    SelectSlider: 'stSelectSlider',
    Selectbox: 'stSelectbox',
    Slider: 'stSlider',
    Tab: 'stTab',
    Table: 'stDataFrame',
    TextArea: 'stTextArea',
    TextInput: 'stTextInput',
    TimeInput: 'stTimeInput',
  };
  const kindOf = (node) =>
    node.classList.contains('stBidiComponent')
      ? 'Component'
      : Object.keys(KINDS).find((name) => KINDS[name] === node.dataset.testid);
  const shown = (node) =>
    !node.closest('[inert]') && node.checkVisibility({ visibilityProperty: true }) && node.offsetWidth > 0;

  // What is on top hides the rest: an open popover, an open dialog, else the page.
  const places = () => {
    const opened = [...document.querySelectorAll('[data-testid=stPopoverBody], [role=dialog]')];
    const top = opened.filter((one) => one.checkVisibility()).pop();
    const page = '[data-testid=stSidebarUserContent], [data-testid=stMain]';
    return top ? [top] : [...document.querySelectorAll(page)];
  };

  const described = (node, kind, alike) => {
    const box = node.parentElement.closest('[data-testid=stElementContainer], [data-testid=stLayoutWrapper]');
    const key = [...(box?.classList || [])].find((name) => name.startsWith('st-key-'))?.slice(7) || '';
    const own = kind === 'Expander' ? node.querySelector('summary') : node;
    const name =
      own.querySelector('[data-testid=stMarkdownContainer]')?.innerText?.trim() ||
      own.querySelector('input, textarea')?.getAttribute('aria-label') ||
      own.querySelector('[data-testid=stIconMaterial]')?.innerText;
    const field = node.querySelector('button, input, textarea');
    const tab = node.closest('[role=tabpanel]')?.getAttribute('aria-labelledby');
    return {
      kind,
      tab: document.getElementById(tab)?.innerText || '',
      name: ['Table', 'Component'].includes(kind) ? '' : name || '',
      key: key.replace(new RegExp(alike, 'g'), ''),
      off: kind !== 'Pagination' && Boolean(field?.disabled || node.querySelector('[aria-disabled=true]')),
    };
  };

  return {
    asked: () => counted.asked,

    // Nothing is at work, and something was asked since `before`.
    atRest: (before) => {
      const app = document.querySelector('[data-testid=stApp]');
      const waits = '[data-stale=true], [data-testid=stSkeleton], [data-testid=stSpinner]';
      return (
        counted.asked > before &&
        counted.answered === counted.asked &&
        app?.dataset.testScriptState === 'notRunning' &&
        !document.querySelector(waits)
      );
    },

    // The controls that can be reached; each node is marked with its id, which is the same after it is drawn anew.
    controls: (alike) => {
      const seen = {};
      return places()
        .flatMap((place) => [...place.querySelectorAll('[data-testid], .stBidiComponent')])
        .filter((node) => kindOf(node) && shown(node))
        .map((node) => {
          const { tab, ...one } = described(node, kindOf(node), alike);
          const words = [tab, one.name.replace(/[\d,.]+/g, '#')].filter(Boolean).join(' / ');
          const id = `${one.kind} ${one.key || words}`;
          seen[id] = (seen[id] || 0) + 1;
          node.dataset.crawled = seen[id] > 1 ? `${id} (${seen[id]})` : id;
          return { id: node.dataset.crawled, ...one };
        });
    },

    // What must never be shown.
    wrong: () => {
      const texts = (place) =>
        [...document.querySelectorAll(place)].filter((node) => node.checkVisibility()).map((node) => node.innerText.trim());
      return {
        exceptions: texts('[data-testid=stException]'),
        errors: texts('[data-testid=stAlertContentError]'),
        traces: document.body.innerText.includes('Traceback (most recent call last)'),
      };
    },
  };
})();

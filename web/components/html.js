/** The template tag of all components, and a component that renders again only when its props have changed. */
import htm from "/web/vendor/htm.js";
import { Component, h } from "/web/vendor/preact.js";

export const html = htm.bind(h);

export function memo(render) {
  return class extends Component {
    shouldComponentUpdate(next) {
      const now = this.props;
      return Object.keys({ ...now, ...next }).some((name) => now[name] !== next[name]);
    }
    render(props) {
      return h(render, props);
    }
  };
}

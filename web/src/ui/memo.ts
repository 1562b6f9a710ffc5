import { Component, h, type FunctionComponent } from "preact";

/** Renders again only when a prop changed; signals read inside still update it. */
export function memo<P extends object>(inner: FunctionComponent<P>): FunctionComponent<P> {
    class Memo extends Component<P> {
        override shouldComponentUpdate(next: Readonly<P>): boolean {
            const keys = Object.keys(next) as (keyof P)[];
            return keys.some((key) => next[key] !== this.props[key]);
        }
        override render() {
            return h(inner, this.props as P);
        }
    }
    return (props) => h(Memo, props);
}

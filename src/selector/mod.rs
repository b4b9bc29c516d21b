//! Text becoming a tree, and back: the Graph Selector language of `grammar/selector.ebnf`. Knows no graph and no schema.

pub mod ast;

//! The tree of a selector: data without behaviour. Spans are bytes of the decoded selector, its leading `/` at 0.

use compact_str::CompactString;

/// Where a part stood in the text. Two trees are equal whatever their spans, so all spans are equal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl PartialEq for Span {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for Span {}

/// `/Organization[@name='ACME']/~OneToMany/Entitlement{i=0,r=5}`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    pub head: Head,
    pub steps: Vec<Step>,
    pub params: Params,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    Object(ObjectPart),
    /// `/me`: the caller's Profile.
    Me(Span),
    /// `/profile('…')`: a query the server names.
    Named(NamedQuery),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedQuery {
    pub name: Name,
    pub arguments: Vec<Literal>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    pub text: CompactString,
    pub span: Span,
}

/// `Entitlement:Entitlement[@name='x'][@isDefault=true]`: several brackets mean `and`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectPart {
    pub name: Name,
    pub collection: Option<Name>,
    pub predicates: Vec<Predicate>,
    pub span: Span,
}

/// `/~Membership[@validUntil=null]/Profile`. `OneToMany` and `ManyToOne` carry neither collection nor predicates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub relation: ObjectPart,
    pub object: ObjectPart,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Predicate {
    /// Two or more.
    And(Vec<Predicate>),
    /// Two or more.
    Or(Vec<Predicate>),
    Not(Box<Predicate>),
    Compare(Comparison),
}

/// `@name='ACME'`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    pub field: Name,
    pub operator: Operator,
    pub value: Literal,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    Equal,
    NotEqual,
    /// `~`: case-insensitive, contains, or anchored where the pattern has `*` or `%`.
    Like,
    NotLike,
    /// `*`: starts with.
    Prefix,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal {
    pub value: LiteralValue,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiteralValue {
    Null,
    Bool(bool),
    /// As written: the field's type decides what it is.
    Number(CompactString),
    /// Between quotes, escapes resolved.
    Text(CompactString),
}

/// `{count}` or `{i=0,r=5,s=name+,s=created-}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params {
    pub count: bool,
    pub index: Option<u64>,
    pub rows: Option<u64>,
    /// The first is the major one.
    pub sort: Vec<Sort>,
    /// Where the braces stood; empty if there were none.
    pub span: Span,
}

impl Params {
    pub fn ask_nothing(&self) -> bool {
        !self.count && self.index.is_none() && self.rows.is_none() && self.sort.is_empty()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sort {
    pub field: Name,
    pub descending: bool,
}

/// What `/graph` is asked for: a selector and the format of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub selector: Option<Selector>,
    pub format: Option<Format>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    Jwt,
    Xml,
    Txt,
}

/// An include: the relation chain of a query parameter `/~OneToMany/ContactInformation/~OneToMany/EmailAddress`.
pub type Include = Vec<Step>;

//! A hard limit on money, tokens or calls.
//!
//! Before a request is sent, the most that it can cost is set aside: as many input tokens as its messages have bytes (no
//! tokeniser makes more of them) and [`FRAME_TOKENS`] for each message's frame, and `max_tokens` of output. It is sent only
//! if what was spent, what is set aside, and this together are within every limit. When it is answered, its true cost takes
//! the place of what was set aside. So a limit is not passed, and a run may
//! stop short of it by what is in flight. This holds as far as the provider keeps to `max_tokens` and says what it used:
//! attempts that failed on the way to an answer, or calls that a source adds on its own, count with the answer's usage.
//!
//! What says nothing of its tokens counts as what was set aside: an answer without usage, an answer that cannot be read, and
//! whatever was sent and never answered. Failures at which providers charge nothing (rejected, too long, unavailable, no
//! log-probabilities) count as a call. What comes from a store is free: it never gets here.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::chat::{Ask, FailureClass, ModelError, Request, Usage, WithoutLogProbs};

use crate::prices::{Price, Prices, Service, Usd};
use crate::source::{Answered, Source, name_of};
use crate::store::{CallTotals, usage_of};

/// Tokens that a chat template puts around one message, at most.
pub const FRAME_TOKENS: u64 = 16;

/// Limits that are never passed. Where none is given, there is none.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct BudgetConfig {
    /// US dollars. Needs a price for every model that is called.
    pub max_usd: Option<f64>,
    /// Tokens, read and written.
    pub max_tokens: Option<u64>,
    /// Calls that are sent; what is stored is no call.
    pub max_calls: Option<u64>,
}

/// What was spent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spent {
    /// Money; nothing where no price is known.
    pub usd: Usd,
    /// Tokens, read and written.
    pub tokens: u64,
    /// Calls.
    pub calls: u64,
}

impl Spent {
    fn plus(self, other: Self) -> Self {
        Self {
            usd: self.usd + other.usd,
            tokens: self.tokens.saturating_add(other.tokens),
            calls: self.calls + other.calls,
        }
    }
}

/// One budget, for any number of models.
#[derive(Debug)]
pub struct Budget {
    config: BudgetConfig,
    ledger: Mutex<Ledger>,
}

#[derive(Debug)]
struct Ledger {
    spent: Spent,
    /// Set aside, by ticket.
    in_flight: HashMap<u64, Spent>,
    n_tickets: u64,
    in_flight_sum: Spent,
}

/// Why a call is not sent.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BudgetError {
    /// It could pass a limit.
    #[error(
        "the budget is spent: {limit} is {max}, {spent} are spent or in flight, and the next call may take {next}"
    )]
    Spent {
        /// Which limit.
        limit: &'static str,
        /// What it is.
        max: String,
        /// What was spent, or may be by calls in flight.
        spent: String,
        /// What the next call may cost.
        next: String,
    },
    /// Money is limited, and the model has no price.
    #[error("max-usd is set, and {model} has no price")]
    NoPrice {
        /// Which model.
        model: String,
    },
}

impl BudgetError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Spent { limit, .. } => {
                format!("raise {limit} and run the same command again: it goes on")
            }
            Self::NoPrice { .. } => {
                "give its price in a table of prices, or limit max-tokens or max-calls instead"
                    .into()
            }
        }
    }
}

/// What stored calls cost: those of models without a price cost no money here, and are refused by a budget of money.
pub fn spent(totals: &[CallTotals], prices: &Prices) -> Spent {
    (totals.iter()).fold(Spent::default(), |sum, total| {
        let price = prices.of(&name_of(&total.identity));
        sum.plus(Spent {
            usd: price.map_or_else(Usd::default, |price| price.cost(total.usage, total.service)),
            tokens: total.usage.total(),
            calls: total.n_calls,
        })
    })
}

impl Budget {
    /// `spent`: what counts already, as what other processes of the same run paid; nothing for a budget of this process.
    pub fn new(config: BudgetConfig, spent: Spent) -> Self {
        Self {
            config,
            ledger: Mutex::new(Ledger {
                spent,
                in_flight: HashMap::new(),
                n_tickets: 0,
                in_flight_sum: Spent::default(),
            }),
        }
    }

    /// What was spent so far, without what is in flight.
    pub fn spent(&self) -> Spent {
        self.lock().spent
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets aside what a call may cost: a ticket for it.
    fn set_aside(&self, next: Spent) -> Result<u64, BudgetError> {
        let mut ledger = self.lock();
        let spent = ledger.spent.plus(ledger.in_flight_sum);
        let sum = spent.plus(next);
        let error = |limit, max, spent, next| {
            Err(BudgetError::Spent {
                limit,
                max,
                spent,
                next,
            })
        };
        let BudgetConfig {
            max_usd,
            max_tokens,
            max_calls,
        } = self.config;
        // A limit that is no number is passed by everything.
        let within = |max: f64| sum.usd.0.partial_cmp(&max).is_some_and(Ordering::is_le);
        if let Some(max) = max_usd.filter(|&max| !within(max)) {
            let usd = |usd: Usd| usd.to_string();
            return error("max-usd", usd(Usd(max)), usd(spent.usd), usd(next.usd));
        }
        let counts = [
            ("max-tokens", max_tokens, spent.tokens, next.tokens),
            ("max-calls", max_calls, spent.calls, next.calls),
        ];
        for (limit, max, spent, next) in counts {
            if let Some(max) = max.filter(|max| spent.saturating_add(next) > *max) {
                return error(limit, max.to_string(), spent.to_string(), next.to_string());
            }
        }
        let ticket = ledger.n_tickets;
        ledger.n_tickets += 1;
        ledger.in_flight.insert(ticket, next);
        ledger.in_flight_sum = ledger.in_flight_sum.plus(next);
        Ok(ticket)
    }

    /// Puts the true cost in the place of what was set aside.
    fn settle(&self, ticket: u64, cost: Option<Spent>) {
        let mut ledger = self.lock();
        let Some(most) = ledger.in_flight.remove(&ticket) else {
            return;
        };
        let sum = &mut ledger.in_flight_sum;
        sum.tokens -= most.tokens;
        sum.calls -= most.calls;
        sum.usd = Usd((sum.usd.0 - most.usd.0).max(0.0));
        if ledger.in_flight.is_empty() {
            // What rounding has left.
            ledger.in_flight_sum = Spent::default();
        }
        ledger.spent = ledger.spent.plus(cost.unwrap_or(most));
    }
}

/// A source that asks within a budget.
pub struct Budgeted {
    source: Arc<dyn Source>,
    budget: Arc<Budget>,
    price: Option<Price>,
    service: Service,
}

impl Budgeted {
    /// `price`: the model's, where it is known.
    ///
    /// # Errors
    ///
    /// [`BudgetError::NoPrice`] when money is limited and there is no price.
    pub fn new(
        source: Arc<dyn Source>,
        budget: Arc<Budget>,
        price: Option<Price>,
        service: Service,
    ) -> Result<Self, BudgetError> {
        if budget.config.max_usd.is_some() && price.is_none() {
            return Err(BudgetError::NoPrice {
                model: source.name(),
            });
        }
        Ok(Self {
            source,
            budget,
            price,
            service,
        })
    }

    fn cost(&self, usage: Usage, service: Service) -> Spent {
        let price = self.price.as_ref();
        let usd = price.map(|price| price.cost(usage, service));
        Spent {
            usd: usd.unwrap_or_default(),
            tokens: usage.total(),
            calls: 1,
        }
    }

    /// The most that a request can cost. Options that are asked in jobs may be asked at once, to see how they are answered.
    fn most(&self, request: &Request) -> Spent {
        let service = match request.ask {
            Ask::Reply(_) => self.service,
            Ask::Options(_) => Service::Direct,
        };
        self.cost(most_tokens(request), service)
    }

    /// What a call has cost; nothing where that is not known.
    fn true_cost(&self, answered: &Answered) -> Option<Spent> {
        let usage = usage_of(&answered.outcome);
        match &answered.outcome {
            Ok(_) if usage.total() == 0 => None,
            Err(failure) if failure.class == FailureClass::Malformed => None,
            _ => Some(self.cost(usage, answered.service)),
        }
    }
}

/// The most tokens that a request can take.
pub fn most_tokens(request: &Request) -> Usage {
    let bytes: usize = request
        .messages
        .iter()
        .map(|message| message.content.len())
        .sum();
    let input = bytes as u64 + FRAME_TOKENS * (request.messages.len() as u64 + 1);
    let (n, output) = match &request.ask {
        Ask::Reply(generation) => (1, u64::from(generation.max_tokens)),
        Ask::Options(options) => {
            let longest = options.texts.iter().map(String::len).max().unwrap_or(0);
            let n_scored = options.texts.len() as u64;
            let n_sampled = match options.otherwise {
                WithoutLogProbs::Fail => 0,
                WithoutLogProbs::Sample { n } => u64::from(n),
            };
            // Asked for scores, found to have none, sampled.
            (n_scored + n_sampled, longest as u64 + FRAME_TOKENS)
        }
    };
    Usage {
        input_tokens: n * input,
        cached_tokens: 0,
        output_tokens: n * output,
    }
}

impl Source for Budgeted {
    fn name(&self) -> String {
        self.source.name()
    }

    fn identity(&self) -> String {
        self.source.identity()
    }

    fn ask(
        &self,
        requests: &mut dyn Iterator<Item = Request>,
        answered: &mut dyn FnMut(usize, Answered),
    ) -> Result<(), ModelError> {
        let in_flight = std::cell::RefCell::new(HashMap::new());
        let mut n_sent = 0;
        let mut refused = None;
        let mut within = std::iter::from_fn(|| {
            if refused.is_some() {
                return None;
            }
            let request = requests.next()?;
            match self.budget.set_aside(self.most(&request)) {
                Ok(ticket) => {
                    in_flight.borrow_mut().insert(n_sent, ticket);
                    n_sent += 1;
                    Some(request)
                }
                Err(error) => {
                    refused = Some(error);
                    None
                }
            }
        });
        let asked = self.source.ask(&mut within, &mut |i, answer| {
            let ticket = in_flight.borrow_mut().remove(&i);
            if let Some(ticket) = ticket {
                self.budget.settle(ticket, self.true_cost(&answer));
            }
            answered(i, answer);
        });
        let mut unanswered: Vec<u64> = in_flight.into_inner().into_values().collect();
        unanswered.sort_unstable();
        for ticket in unanswered {
            self.budget.settle(ticket, None);
        }
        asked?;
        match refused {
            None => Ok(()),
            Some(error) => Err(ModelError {
                model: self.name(),
                hint: Some(error.hint()),
                source: Box::new(error),
            }),
        }
    }
}

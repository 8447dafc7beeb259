package org.lakepredict;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.spark.api.python.PythonEvalType;
import org.apache.spark.sql.catalyst.expressions.Attribute;
import org.apache.spark.sql.catalyst.expressions.AttributeReference;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.Literal;
import org.apache.spark.sql.catalyst.expressions.NamedArgumentExpression;
import org.apache.spark.sql.catalyst.expressions.NamedExpression$;
import org.apache.spark.sql.catalyst.expressions.PythonUDF;
import org.apache.spark.sql.catalyst.plans.logical.ArrowEvalPython;
import org.apache.spark.sql.catalyst.plans.logical.BaseEvalPython;
import org.apache.spark.sql.catalyst.plans.logical.BatchEvalPython;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.plans.logical.Project;
import org.apache.spark.sql.types.Metadata;
import scala.collection.immutable.Seq;

/**
 * The calls of Python functions in operators that stand one right above the other, with the condition that each call of
 * a model is given: its last argument, `when => condition`.
 *
 * <p>A condition may need what another call gives, as that of the second model in `coalesce(PREDICT(...), PREDICT(...))`
 * does, so that the calls may stand in another order than before.
 */
public final class Calls {
  private static final String WHEN = "when"; // as _worker/scorer.py calls the argument
  private final LogicalPlan original;
  private final List calls = new ArrayList(); // a call stands after all whose results are its arguments
  private LogicalPlan base;
  private boolean isShared; // whether one call now stands for two
  private List layers;

  private static final class Call {
    PythonUDF function;
    Attribute result;
    int evalType; // of the operator; -1 where it does not use Arrow
    Expression condition = Conditions.ALWAYS;
    Set mayAsk; // ids of the columns that the condition may be about

    boolean isOurs() {
      return Calls.isOurs(function);
    }

    boolean isReady(Set available) {
      return Columns.isOver(function, available) && Columns.isOver(condition, available);
    }

    boolean fitsTo(Call other) {
      boolean isAlone = evalType == PythonEvalType.SQL_SCALAR_PANDAS_ITER_UDF()
          || evalType == PythonEvalType.SQL_SCALAR_ARROW_ITER_UDF();
      return this == other || (evalType == other.evalType && !isAlone);
    }

    PythonUDF conditional() {
      if (condition.equals(Conditions.ALWAYS)) {
        return function;
      }
      Seq arguments = (Seq) function.children().appended(new NamedArgumentExpression(WHEN, condition));
      return function.copy(
          function.name(), function.func(), function.dataType(), arguments, function.evalType(),
          function.udfDeterministic(), function.resultId());
    }
  }

  public Calls(BaseEvalPython top) {
    original = (LogicalPlan) top;
    add(top);
  }

  public static void collect(BaseEvalPython node, Set predictions) {
    for (int i = 0; i < node.udfs().size(); i++) {
      if (isOurs((PythonUDF) node.udfs().apply(i))) {
        predictions.add(((Attribute) node.resultAttrs().apply(i)).exprId());
      }
    }
  }

  public LogicalPlan base() {
    return base;
  }

  private static boolean isOurs(PythonUDF function) {
    return function.name().matches("(arrow|pandas|trees)\\[.*");
  }

  // --- what there is ---

  private void add(BaseEvalPython node) {
    LogicalPlan below = (LogicalPlan) node.child();
    while (isSelection(below)) {
      below = (LogicalPlan) ((Project) below).child();
    }
    if (below instanceof BaseEvalPython) {
      add((BaseEvalPython) below);
    } else {
      base = (LogicalPlan) node.child();
    }
    addAll(node, false);
    addAll(node, true);
  }

  // Functions of other functions come second, since one of those may be called by itself as well.
  private void addAll(BaseEvalPython node, boolean areChained) {
    int evalType = node instanceof ArrowEvalPython ? ((ArrowEvalPython) node).evalType() : -1;
    for (int i = 0; i < node.udfs().size(); i++) {
      PythonUDF function = (PythonUDF) node.udfs().apply(i);
      if (isChained(function) == areChained) {
        add(function, (Attribute) node.resultAttrs().apply(i), evalType);
      }
    }
  }

  private static boolean isChained(PythonUDF function) {
    return function.children().size() == 1 && function.children().head() instanceof PythonUDF;
  }

  // A function of nothing but another one's result is called right after it, in one call: they are two here.
  private Attribute add(PythonUDF function, Attribute result, int evalType) {
    if (isChained(function)) {
      List inner = new ArrayList();
      inner.add(add((PythonUDF) function.children().head(), null, evalType));
      function = (PythonUDF) function.withNewChildren(Columns.seq(inner));
    }
    for (Call call : (List<Call>) calls) {
      if (result == null && call.function.semanticEquals(function)) {
        isShared = true;
        return call.result;
      }
    }
    Call call = new Call();
    call.function = function;
    call.result = result == null ? newResult(function) : result;
    call.evalType = evalType;
    calls.add(call);
    return call.result;
  }

  private static Attribute newResult(PythonUDF function) {
    Seq nothing = Columns.seq(new ArrayList());
    return new AttributeReference(
        "pythonUDF", function.dataType(), true, Metadata.empty(), NamedExpression$.MODULE$.newExprId(), nothing);
  }

  private static boolean isSelection(LogicalPlan plan) {
    if (!(plan instanceof Project)) {
      return false;
    }
    for (Expression column : (List<Expression>) Columns.list(((Project) plan).projectList())) {
      if (!(column instanceof Attribute)) {
        return false;
      }
    }
    return true;
  }

  private boolean isConditional() {
    for (Call call : (List<Call>) calls) {
      int last = call.function.children().size() - 1;
      boolean isOurs = call.isOurs();
      if (isOurs && last >= 0 && call.function.children().apply(last) instanceof NamedArgumentExpression) {
        return true;
      }
    }
    return false;
  }

  // --- on which rows ---

  /**
   * Gives each call of a model its condition, if there is one.
   *
   * @param needs on which rows each result is needed, and each prediction in the base.
   * @param predictions the ids of all predictions in the plan.
   * @return on which rows the predictions in the base are needed.
   */
  public Map guard(Map needs, Set predictions) {
    if (isConditional()) {
      Map all = new HashMap();
      for (Object id : Columns.ids(base.output())) {
        all.put(id, Conditions.ALWAYS);
      }
      return all;
    }
    Set known = Columns.ids(base.output());
    Set wanted = new HashSet(predictions);
    for (Call call : (List<Call>) calls) {
      known.add(call.result.exprId());
      wanted.add(call.result.exprId());
    }
    for (Call call : (List<Call>) calls) {
      call.mayAsk = known;
    }
    Needs own = new Needs(wanted, known, false);
    Map below = conditions(needs, own);
    while (!order()) {
      below = conditions(needs, own);
    }
    for (Call call : (List<Call>) calls) {
      below = Conditions.either(below, own.of(call.condition));
    }
    return Conditions.within(below, Columns.ids(base.output()));
  }

  private Map conditions(Map needs, Needs own) {
    Map all = needs;
    for (int i = calls.size() - 1; i >= 0; i--) {
      Call call = (Call) calls.get(i);
      Expression needed = Conditions.at(all, call.result.exprId());
      boolean isAlways = !call.isOurs() || needed.equals(Conditions.NEVER);
      call.condition = isAlways ? Conditions.ALWAYS : Conditions.within(unasked(needed, call.result), call.mayAsk);
      for (Expression argument : (List<Expression>) Columns.list(call.function.children())) {
        all = Conditions.either(all, Conditions.when(call.condition, own.of(argument)));
      }
    }
    return all;
  }

  // Where a condition asks for the call's own result, the call is needed already.
  private static Expression unasked(Expression condition, Attribute result) {
    Map values = new HashMap();
    values.put(result.exprId(), new Literal(null, result.dataType()));
    return Columns.replaced(condition, values);
  }

  // Puts the calls into layers, each of which needs only what is below it. Where conditions need each other's results,
  // one of them may no longer ask for the other's, and the answer is no.
  private boolean order() {
    layers = new ArrayList();
    Set available = Columns.ids(base.output());
    List waiting = new ArrayList(calls);
    while (!waiting.isEmpty()) {
      List layer = layer(waiting, available);
      if (layer.isEmpty()) {
        restrict(waiting, available);
        return false;
      }
      layers.add(layer);
      waiting.removeAll(layer);
      for (Call call : (List<Call>) layer) {
        available.add(call.result.exprId());
      }
    }
    return true;
  }

  private static List layer(List waiting, Set available) {
    List layer = new ArrayList();
    for (Call call : (List<Call>) waiting) {
      if (call.isReady(available) && (layer.isEmpty() || call.fitsTo((Call) layer.get(0)))) {
        layer.add(call);
      }
    }
    return layer;
  }

  private static void restrict(List waiting, Set available) {
    for (Call call : (List<Call>) waiting) {
      if (Columns.isOver(call.function, available)) {
        call.mayAsk = new HashSet(call.mayAsk);
        call.mayAsk.retainAll(available);
        return;
      }
    }
    throw new IllegalStateException("calls of Python functions need each other's results");
  }

  // --- the new plan ---

  public LogicalPlan placed(LogicalPlan newBase) {
    boolean isChanged = isShared;
    for (Call call : (List<Call>) calls) {
      isChanged |= !call.condition.equals(Conditions.ALWAYS);
    }
    if (!isChanged) {
      return newBase == base ? original : onto(original, newBase);
    }
    LogicalPlan plan = newBase;
    for (List layer : (List<List>) layers) {
      plan = node(layer, plan);
    }
    return plan.output().equals(original.output()) ? plan : new Project(original.output(), plan);
  }

  private LogicalPlan onto(LogicalPlan plan, LogicalPlan newBase) {
    if (plan == base) {
      return newBase;
    }
    List child = new ArrayList();
    child.add(onto((LogicalPlan) plan.children().head(), newBase));
    return (LogicalPlan) plan.withNewChildren(Columns.seq(child));
  }

  private static LogicalPlan node(List layer, LogicalPlan child) {
    List functions = new ArrayList();
    List results = new ArrayList();
    for (Call call : (List<Call>) layer) {
      functions.add(call.conditional());
      results.add(call.result);
    }
    Seq called = Columns.seq(functions);
    Seq given = Columns.seq(results);
    int evalType = ((Call) layer.get(0)).evalType;
    return evalType < 0
        ? new BatchEvalPython(called, given, child)
        : new ArrowEvalPython(called, given, child, evalType);
  }
}
